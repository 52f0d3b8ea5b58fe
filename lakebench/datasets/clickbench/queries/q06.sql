-- How many search phrases there are.
SELECT count(DISTINCT searchphrase) AS phrases
FROM hits
