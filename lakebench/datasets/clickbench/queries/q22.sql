-- The ten most frequent search phrases that led to such a URL.
SELECT searchphrase, min(url) AS first_url, count(*) AS hits
FROM hits
WHERE url LIKE '%google%' AND searchphrase <> ''
GROUP BY searchphrase
ORDER BY hits DESC
LIMIT 10
