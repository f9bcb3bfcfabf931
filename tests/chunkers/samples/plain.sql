-- Customers and what they bought.
create table customer (
  id integer primary key,
  name text not null
);

create index customer_name on customer (name);
