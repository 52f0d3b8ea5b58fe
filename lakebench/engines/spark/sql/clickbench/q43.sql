-- Spark's date_trunc gives a timestamp with a time zone, whatever it is given: cast back to what the table has.
SELECT CAST(date_trunc('minute', eventtime) AS TIMESTAMP_NTZ) AS whole_minute, count(*) AS views
FROM hits
WHERE counterid = 62 AND eventdate BETWEEN DATE '2013-07-14' AND DATE '2013-07-15'
    AND isrefresh = 0 AND dontcounthits = 0
GROUP BY CAST(date_trunc('minute', eventtime) AS TIMESTAMP_NTZ)
ORDER BY whole_minute
LIMIT 10 OFFSET 1000
