-- Two large tables: both are split by the hash of the order's key, and joined bucket by bucket.
-- split orders by l_orderkey
SELECT o_orderkey AS l_orderkey, o_orderdate, o_shippriority
FROM orders JOIN customer ON c_custkey = o_custkey
WHERE c_mktsegment = '{segment}' AND o_orderdate < DATE '{date}'
-- split lineitem by l_orderkey
SELECT l_orderkey, l_extendedprice * (1 - l_discount) AS amount
FROM lineitem
WHERE l_shipdate > DATE '{date}'
-- join
SELECT l_orderkey, sum(amount) AS revenue, o_orderdate, o_shippriority
FROM lineitem JOIN orders USING (l_orderkey)
GROUP BY l_orderkey, o_orderdate, o_shippriority
ORDER BY revenue DESC, o_orderdate
LIMIT 10
-- last
SELECT l_orderkey, revenue, o_orderdate, o_shippriority
FROM parts
ORDER BY revenue DESC, o_orderdate
LIMIT 10
