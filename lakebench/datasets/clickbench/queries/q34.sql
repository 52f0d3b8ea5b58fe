-- The ten most frequent URLs.
SELECT url, count(*) AS hits
FROM hits
GROUP BY url
ORDER BY hits DESC
LIMIT 10
