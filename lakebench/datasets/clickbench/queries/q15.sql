-- The ten most frequent search phrases by search engine.
SELECT searchengineid, searchphrase, count(*) AS hits
FROM hits
WHERE searchphrase <> ''
GROUP BY searchengineid, searchphrase
ORDER BY hits DESC
LIMIT 10
