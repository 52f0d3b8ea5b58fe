-- How many hits came from an advertisement.
SELECT count(*) AS hits
FROM hits
WHERE advengineid <> 0
