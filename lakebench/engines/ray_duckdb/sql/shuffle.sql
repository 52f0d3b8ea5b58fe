-- Every row of both tables goes to the task of its bucket.
-- split orders by l_orderkey
SELECT o_orderkey AS l_orderkey, o_orderpriority FROM orders
-- split lineitem by l_orderkey
SELECT l_orderkey, l_shipmode, l_quantity FROM lineitem
-- join
SELECT o_orderpriority, l_shipmode, count(*) AS n, sum(l_quantity) AS quantity
FROM lineitem JOIN orders USING (l_orderkey)
GROUP BY o_orderpriority, l_shipmode
-- last
SELECT o_orderpriority, l_shipmode, CAST(sum(n) AS BIGINT) AS n, sum(quantity) AS quantity
FROM parts
GROUP BY o_orderpriority, l_shipmode
ORDER BY o_orderpriority, l_shipmode
