-- All lines of an order are in one bucket, so that its sum is whole there.
-- split orders by l_orderkey
SELECT o_orderkey AS l_orderkey, o_custkey, o_orderdate, o_totalprice FROM orders
-- split lineitem by l_orderkey
SELECT l_orderkey, sum(l_quantity) AS quantity FROM lineitem GROUP BY l_orderkey
-- join
SELECT l_orderkey, o_custkey, o_orderdate, o_totalprice, sum(quantity) AS sum_qty
FROM lineitem JOIN orders USING (l_orderkey)
GROUP BY l_orderkey, o_custkey, o_orderdate, o_totalprice
HAVING sum(quantity) > {quantity}
ORDER BY o_totalprice DESC, o_orderdate
LIMIT 100
-- last
SELECT c_name, c_custkey, l_orderkey AS o_orderkey, o_orderdate, o_totalprice, sum_qty
FROM parts JOIN customer ON c_custkey = o_custkey
ORDER BY o_totalprice DESC, o_orderdate
LIMIT 100
