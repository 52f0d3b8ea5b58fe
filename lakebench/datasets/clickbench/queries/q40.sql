-- Where the views of one counter came from and went to, from the 1,001st on.
SELECT traficsourceid, searchengineid, advengineid, source, destination, count(*) AS views
FROM (
    SELECT
        traficsourceid,
        searchengineid,
        advengineid,
        CASE WHEN searchengineid = 0 AND advengineid = 0 THEN referer ELSE '' END AS source,
        url AS destination
    FROM hits
    WHERE counterid = 62 AND eventdate BETWEEN DATE '2013-07-01' AND DATE '2013-07-31'
        AND isrefresh = 0
) AS viewed
GROUP BY traficsourceid, searchengineid, advengineid, source, destination
ORDER BY views DESC
LIMIT 10 OFFSET 1000
