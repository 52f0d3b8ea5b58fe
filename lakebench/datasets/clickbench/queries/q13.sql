-- The ten most frequent search phrases.
SELECT searchphrase, count(*) AS hits
FROM hits
WHERE searchphrase <> ''
GROUP BY searchphrase
ORDER BY hits DESC
LIMIT 10
