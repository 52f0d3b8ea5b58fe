-- The ten most frequent client addresses, grouped by expressions that depend on each other.
SELECT clientip, clientip - 1 AS less_1, clientip - 2 AS less_2, clientip - 3 AS less_3, count(*) AS hits
FROM hits
GROUP BY clientip, clientip - 1, clientip - 2, clientip - 3
ORDER BY hits DESC
LIMIT 10
