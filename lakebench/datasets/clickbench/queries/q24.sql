-- The first ten hits of a URL with a word in it, with all their columns.
SELECT *
FROM hits
WHERE url LIKE '%google%'
ORDER BY eventtime
LIMIT 10
