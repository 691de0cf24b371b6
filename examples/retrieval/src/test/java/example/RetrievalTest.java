package example;

import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import org.junit.jupiter.api.Test;

class RetrievalTest {
    @Test
    void itFindsAndGoesOn() throws Exception {
        PrintStream standardOutput = System.out;
        ByteArrayOutputStream printed = new ByteArrayOutputStream();
        System.setOut(new PrintStream(printed));
        try {
            Retrieval.main(new String[0]);
        } finally {
            System.setOut(standardOutput);
        }
        String passage = "At the ball Mr. Bingley danced with Jane twice.";
        assertTrue(printed.toString().startsWith(passage + "\n" + passage), printed.toString());
    }
}
