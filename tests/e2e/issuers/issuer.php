<?php
// Issues a token for each line of JSON, with what every PHP has.

$encode = fn (string $bytes) => rtrim(strtr(base64_encode($bytes), '+/', '-_'), '=');

while (($line = fgets(STDIN)) !== false) {
    $identifiers = json_decode($line, true, flags: JSON_THROW_ON_ERROR);
    $header = json_encode(['typ' => 'JWT', 'alg' => 'HS256']);
    $claims = json_encode(['ext' => json_encode($identifiers), 'exp' => time() + 3600]);
    $signed = $encode($header) . '.' . $encode($claims);
    echo $signed, '.', $encode(hash_hmac('sha256', $signed, getenv('SECRET'), true)), "\n";
}
