-- The ten search phrases of most users.
SELECT searchphrase, count(DISTINCT userid) AS users
FROM hits
WHERE searchphrase <> ''
GROUP BY searchphrase
ORDER BY users DESC
LIMIT 10
