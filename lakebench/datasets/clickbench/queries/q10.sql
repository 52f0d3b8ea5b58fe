-- The ten regions with most hits, and four more aggregates of each.
SELECT
    regionid,
    sum(advengineid) AS engines,
    count(*) AS hits,
    avg(resolutionwidth) AS width,
    count(DISTINCT userid) AS users
FROM hits
GROUP BY regionid
ORDER BY hits DESC
LIMIT 10
