-- How many users there are.
SELECT count(DISTINCT userid) AS users
FROM hits
