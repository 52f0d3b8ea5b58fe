-- Daft knows the unit of date_trunc in small letters only; the translation writes MINUTE.
SELECT date_trunc('minute', eventtime) AS whole_minute, count(*) AS views
FROM hits
WHERE counterid = 62 AND eventdate BETWEEN DATE '2013-07-14' AND DATE '2013-07-15'
    AND isrefresh = 0 AND dontcounthits = 0
GROUP BY date_trunc('minute', eventtime)
ORDER BY date_trunc('minute', eventtime)
LIMIT 10 OFFSET 1000
