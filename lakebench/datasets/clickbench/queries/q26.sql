-- The first ten search phrases by their text.
SELECT searchphrase
FROM hits
WHERE searchphrase <> ''
ORDER BY searchphrase
LIMIT 10
