-- URLs of one counter that were followed as links, from the 1,001st on.
SELECT url, count(*) AS views
FROM hits
WHERE counterid = 62 AND eventdate BETWEEN DATE '2013-07-01' AND DATE '2013-07-31'
    AND isrefresh = 0 AND islink <> 0 AND isdownload = 0
GROUP BY url
ORDER BY views DESC
LIMIT 10 OFFSET 1000
