-- The ten most frequent triples of user, minute of the hour and search phrase.
SELECT userid, extract(minute FROM eventtime) AS minute_of_hour, searchphrase, count(*) AS hits
FROM hits
GROUP BY userid, extract(minute FROM eventtime), searchphrase
ORDER BY hits DESC
LIMIT 10
