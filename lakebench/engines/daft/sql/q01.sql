-- These products pass Daft's limit of 38 digits (an integer literal counts as 20): the factors are narrowed.
SELECT
    l_returnflag,
    l_linestatus,
    sum(l_quantity) AS sum_qty,
    sum(l_extendedprice) AS sum_base_price,
    sum(l_extendedprice * (CAST(1 AS DECIMAL(3, 2)) - CAST(l_discount AS DECIMAL(3, 2)))) AS sum_disc_price,
    sum(
        l_extendedprice
        * (CAST(1 AS DECIMAL(3, 2)) - CAST(l_discount AS DECIMAL(3, 2)))
        * (CAST(1 AS DECIMAL(3, 2)) + CAST(l_tax AS DECIMAL(3, 2)))
    ) AS sum_charge,
    avg(l_quantity) AS avg_qty,
    avg(l_extendedprice) AS avg_price,
    avg(l_discount) AS avg_disc,
    count(*) AS count_order
FROM
    lineitem
WHERE
    l_shipdate <= DATE '{date}'
GROUP BY
    l_returnflag,
    l_linestatus
ORDER BY
    l_returnflag,
    l_linestatus
