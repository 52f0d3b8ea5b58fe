-- The ten mobile phone models with most users.
SELECT mobilephonemodel, count(DISTINCT userid) AS users
FROM hits
WHERE mobilephonemodel <> ''
GROUP BY mobilephonemodel
ORDER BY users DESC
LIMIT 10
