package example;

/** Who can help. */
enum Department {
    READING_ROOM,
    LENDING,
    FEES
}
