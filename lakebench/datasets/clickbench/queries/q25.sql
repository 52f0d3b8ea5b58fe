-- The first ten search phrases by time.
SELECT searchphrase
FROM hits
WHERE searchphrase <> ''
ORDER BY eventtime
LIMIT 10
