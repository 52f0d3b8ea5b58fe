-- Any ten pairs of user and search phrase, with their hits.
SELECT userid, searchphrase, count(*) AS hits
FROM hits
GROUP BY userid, searchphrase
LIMIT 10
