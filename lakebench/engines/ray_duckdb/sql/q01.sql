-- An average is the quotient of two sums, each of which adds up over the parts.
-- each lineitem
SELECT
    l_returnflag,
    l_linestatus,
    sum(l_quantity) AS sum_qty,
    sum(l_extendedprice) AS sum_base_price,
    sum(l_extendedprice * (1 - l_discount)) AS sum_disc_price,
    sum(l_extendedprice * (1 - l_discount) * (1 + l_tax)) AS sum_charge,
    sum(l_discount) AS sum_disc,
    count(*) AS n
FROM lineitem
WHERE l_shipdate <= DATE '{date}'
GROUP BY l_returnflag, l_linestatus
-- last
SELECT
    l_returnflag,
    l_linestatus,
    sum(sum_qty) AS sum_qty,
    sum(sum_base_price) AS sum_base_price,
    sum(sum_disc_price) AS sum_disc_price,
    sum(sum_charge) AS sum_charge,
    sum(sum_qty) / sum(n) AS avg_qty,
    sum(sum_base_price) / sum(n) AS avg_price,
    sum(sum_disc) / sum(n) AS avg_disc,
    CAST(sum(n) AS BIGINT) AS count_order
FROM parts
GROUP BY l_returnflag, l_linestatus
ORDER BY l_returnflag, l_linestatus
