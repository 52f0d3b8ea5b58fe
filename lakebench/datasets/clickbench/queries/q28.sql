-- The 25 frequent counters with the longest URLs.
SELECT counterid, avg(length(url)) AS url_length, count(*) AS hits
FROM hits
WHERE url <> ''
GROUP BY counterid
HAVING count(*) > {frequent}
ORDER BY url_length DESC
LIMIT 25
