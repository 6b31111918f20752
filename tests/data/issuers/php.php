<?php
// Writes each line of JSON again, as PHP does.
while (($line = fgets(STDIN)) !== false) {
    $text = json_encode(json_decode($line, true, 100000));
    echo $text === false ? '!' : $text, "\n";
}
