-- The same, grouped by a constant too.
SELECT 1 AS one, url, count(*) AS hits
FROM hits
GROUP BY 1, 2
ORDER BY hits DESC
LIMIT 10
