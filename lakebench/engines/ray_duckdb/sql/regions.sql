-- A sum and a count of the parts'.
-- each orders
SELECT o_orderpriority, sum(o_totalprice) AS amount, count(*) AS n
FROM orders
WHERE o_orderdate >= DATE '1995-01-01' AND o_orderdate < DATE '1996-01-01'
GROUP BY o_orderpriority
-- last
SELECT o_orderpriority, sum(amount) AS amount, CAST(sum(n) AS BIGINT) AS n
FROM parts
GROUP BY o_orderpriority
ORDER BY o_orderpriority
