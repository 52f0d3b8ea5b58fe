-- The ten users with most hits.
SELECT userid, count(*) AS hits
FROM hits
GROUP BY userid
ORDER BY hits DESC
LIMIT 10
