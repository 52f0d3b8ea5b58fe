-- The hits of one user.
SELECT userid
FROM hits
WHERE userid = 435090932899640449
