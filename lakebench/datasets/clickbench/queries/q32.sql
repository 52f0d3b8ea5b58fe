-- The ten most frequent pairs of hit and client address, among searches: nearly as many groups as rows.
SELECT watchid, clientip, count(*) AS hits, sum(isrefresh) AS refreshes, avg(resolutionwidth) AS width
FROM hits
WHERE searchphrase <> ''
GROUP BY watchid, clientip
ORDER BY hits DESC
LIMIT 10
