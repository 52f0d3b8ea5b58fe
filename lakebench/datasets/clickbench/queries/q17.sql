-- The ten most frequent pairs of user and search phrase.
SELECT userid, searchphrase, count(*) AS hits
FROM hits
GROUP BY userid, searchphrase
ORDER BY hits DESC
LIMIT 10
