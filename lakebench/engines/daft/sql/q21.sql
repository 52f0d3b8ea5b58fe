-- Daft does not run EXISTS with <> to an outer column: an order's suppliers, and its late ones, are counted.
SELECT
    s_name,
    count(*) AS numwait
FROM
    supplier,
    lineitem l1,
    orders,
    nation,
    (
        SELECT
            l_orderkey AS all_orderkey,
            count(DISTINCT l_suppkey) AS suppliers
        FROM
            lineitem
        GROUP BY
            l_orderkey
    ) AS every,
    (
        SELECT
            l_orderkey AS late_orderkey,
            count(DISTINCT l_suppkey) AS late_suppliers
        FROM
            lineitem
        WHERE
            l_receiptdate > l_commitdate
        GROUP BY
            l_orderkey
    ) AS late
WHERE
    s_suppkey = l1.l_suppkey
    AND o_orderkey = l1.l_orderkey
    AND o_orderstatus = 'F'
    AND l1.l_receiptdate > l1.l_commitdate
    AND all_orderkey = l1.l_orderkey
    AND suppliers > 1
    AND late_orderkey = l1.l_orderkey
    AND late_suppliers = 1
    AND s_nationkey = n_nationkey
    AND n_name = '{nation}'
GROUP BY
    s_name
ORDER BY
    numwait DESC,
    s_name
LIMIT 100
