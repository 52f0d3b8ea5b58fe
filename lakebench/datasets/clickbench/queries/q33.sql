-- The same among all hits.
SELECT watchid, clientip, count(*) AS hits, sum(isrefresh) AS refreshes, avg(resolutionwidth) AS width
FROM hits
GROUP BY watchid, clientip
ORDER BY hits DESC
LIMIT 10
