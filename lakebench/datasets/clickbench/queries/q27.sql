-- The first ten search phrases by time and text.
SELECT searchphrase
FROM hits
WHERE searchphrase <> ''
ORDER BY eventtime, searchphrase
LIMIT 10
