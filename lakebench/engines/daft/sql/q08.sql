-- Daft finds no common type for decimal(38,4) and 0, nor for a ratio of such: narrowed, and the ratio a double.
SELECT
    o_year,
    CAST(sum(CASE WHEN nation = '{nation}' THEN volume ELSE CAST(0 AS DECIMAL(20, 4)) END) AS DOUBLE)
        / CAST(sum(volume) AS DOUBLE) AS mkt_share
FROM (
    SELECT
        extract(YEAR FROM o_orderdate) AS o_year,
        l_extendedprice * (CAST(1 AS DECIMAL(3, 2)) - CAST(l_discount AS DECIMAL(3, 2))) AS volume,
        n2.n_name AS nation
    FROM
        part,
        supplier,
        lineitem,
        orders,
        customer,
        nation n1,
        nation n2,
        region
    WHERE
        p_partkey = l_partkey
        AND s_suppkey = l_suppkey
        AND l_orderkey = o_orderkey
        AND o_custkey = c_custkey
        AND c_nationkey = n1.n_nationkey
        AND n1.n_regionkey = r_regionkey
        AND r_name = '{region}'
        AND s_nationkey = n2.n_nationkey
        AND o_orderdate BETWEEN DATE '1995-01-01' AND DATE '1996-12-31'
        AND p_type = '{type}'
) AS all_nations
GROUP BY
    o_year
ORDER BY
    o_year
