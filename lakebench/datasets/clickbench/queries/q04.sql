-- The average of a large number.
SELECT avg(userid) AS userid
FROM hits
