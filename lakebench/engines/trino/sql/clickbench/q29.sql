-- Trino writes a group in a replacement as $1; the translation leaves \1, which is the digit there.
SELECT host, avg(length(referer)) AS referer_length, count(*) AS hits, min(referer) AS first_referer
FROM (
    SELECT referer, regexp_replace(referer, '^https?://(?:www[.])?([^/]+)/.*$', '$1') AS host
    FROM hits
    WHERE referer <> ''
) AS referring
GROUP BY host
HAVING count(*) > {frequent}
ORDER BY referer_length DESC
LIMIT 25
