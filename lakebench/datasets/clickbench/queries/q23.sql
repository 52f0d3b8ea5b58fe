-- The ten most frequent search phrases that led to a title with a word in it, outside of one site.
SELECT
    searchphrase,
    min(url) AS first_url,
    min(title) AS first_title,
    count(*) AS hits,
    count(DISTINCT userid) AS users
FROM hits
WHERE title LIKE '%Google%' AND url NOT LIKE '%.google.%' AND searchphrase <> ''
GROUP BY searchphrase
ORDER BY hits DESC
LIMIT 10
