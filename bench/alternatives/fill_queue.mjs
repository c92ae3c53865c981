// Fills a queue of pg-boss with as many jobs as JOBS says, for its dashboard to list.
import { PgBoss } from 'pg-boss';

const boss = new PgBoss(process.env.DATABASE_URL);
await boss.start();
await boss.createQueue('provision');
const jobs = Array.from({ length: Number(process.env.JOBS) }, (_, n) => ({ data: { customer_ref: `cust_${n}` } }));
await boss.insert('provision', jobs);
await boss.stop();
