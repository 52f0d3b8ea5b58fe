-- How many URLs have a word in them.
SELECT count(*) AS hits
FROM hits
WHERE url LIKE '%google%'
