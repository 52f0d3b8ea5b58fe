-- How many hits there are.
SELECT count(*) AS hits
FROM hits
