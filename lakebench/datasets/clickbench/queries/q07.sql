-- The first and the last day.
SELECT min(eventdate) AS first_day, max(eventdate) AS last_day
FROM hits
