-- Three aggregates over small numbers.
SELECT sum(advengineid) AS engines, count(*) AS hits, avg(resolutionwidth) AS width
FROM hits
