-- Views of one counter by URL and day, from one referring page, from the 101st on.
SELECT urlhash, eventdate, count(*) AS views
FROM hits
WHERE counterid = 62 AND eventdate BETWEEN DATE '2013-07-01' AND DATE '2013-07-31'
    AND isrefresh = 0 AND traficsourceid IN (-1, 6) AND refererhash = 3594120000172545465
GROUP BY urlhash, eventdate
ORDER BY views DESC
LIMIT 10 OFFSET 100
