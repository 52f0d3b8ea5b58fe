-- The ten most viewed titles of one counter in a month.
SELECT title, count(*) AS views
FROM hits
WHERE counterid = 62 AND eventdate BETWEEN DATE '2013-07-01' AND DATE '2013-07-31'
    AND dontcounthits = 0 AND isrefresh = 0 AND title <> ''
GROUP BY title
ORDER BY views DESC
LIMIT 10
