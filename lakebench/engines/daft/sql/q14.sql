-- Daft finds no common type for decimal(38,4) and 0: the revenue is narrowed, and 0 is cast.
SELECT
    100.00 * sum(CASE WHEN p_type LIKE 'PROMO%' THEN revenue ELSE CAST(0 AS DECIMAL(20, 4)) END)
        / sum(revenue) AS promo_revenue
FROM (
    SELECT
        p_type,
        l_extendedprice * (CAST(1 AS DECIMAL(3, 2)) - CAST(l_discount AS DECIMAL(3, 2))) AS revenue
    FROM
        lineitem,
        part
    WHERE
        l_partkey = p_partkey
        AND l_shipdate >= DATE '{date}'
        AND l_shipdate < DATE '{date_end}'
) AS september
