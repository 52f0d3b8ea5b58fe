-- The ten most frequent pairs of search engine and client address, among searches.
SELECT searchengineid, clientip, count(*) AS hits, sum(isrefresh) AS refreshes, avg(resolutionwidth) AS width
FROM hits
WHERE searchphrase <> ''
GROUP BY searchengineid, clientip
ORDER BY hits DESC
LIMIT 10
