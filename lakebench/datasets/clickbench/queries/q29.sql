-- The 25 frequent referring hosts with the longest URLs; the host is cut out of the URL.
SELECT host, avg(length(referer)) AS referer_length, count(*) AS hits, min(referer) AS first_referer
FROM (
    SELECT referer, regexp_replace(referer, '^https?://(?:www[.])?([^/]+)/.*$', '\1') AS host
    FROM hits
    WHERE referer <> ''
) AS referring
GROUP BY host
HAVING count(*) > {frequent}
ORDER BY referer_length DESC
LIMIT 25
