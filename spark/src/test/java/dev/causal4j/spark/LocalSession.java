package dev.causal4j.spark;

import org.apache.spark.sql.SparkSession;

/** The session of the tests that run in this process; ends with it, or when another one is wanted. */
final class LocalSession {
    private LocalSession() {}

    static SparkSession get() {
        return builder("local[2]").getOrCreate();
    }

    static SparkSession.Builder builder(String master) {
        return SparkSession.builder()
                .master(master)
                .config("spark.ui.enabled", false)
                .config("spark.driver.host", "127.0.0.1")
                .config("spark.driver.bindAddress", "127.0.0.1")
                .config("spark.sql.shuffle.partitions", 4)
                .config("spark.sql.warehouse.dir", "target/warehouse")
                .config("spark.sql.catalog.lm", CausalLMCatalog.class.getName());
    }
}
