package example;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import org.junit.jupiter.api.Test;

class NovelTest {
    /** The same text on every machine: that is the library's promise. */
    @Test
    void itWritesAndFinds() throws Exception {
        PrintStream standardOutput = System.out;
        ByteArrayOutputStream printed = new ByteArrayOutputStream();
        System.setOut(new PrintStream(printed));
        try {
            Novel.main(new String[0]);
        } finally {
            System.setOut(standardOutput);
        }
        assertEquals(
                " man should be so very little in his manner, and he is very happy. I hope he would not have seen him so"
                        + " happy, and I am sure she will have a very fine man so very\n"
                        + "At the ball Mr. Bingley danced with Jane twice.\n",
                printed.toString());
    }
}
